import { createPulsarClient } from '@paystream/pulsar';
import { greet } from './guest.ts';

const client = createPulsarClient({ serviceUrl: process.env['PAYSTREAM_PULSAR_URL'] ?? 'pulsar://localhost:6650' }); // yours
console.log(await greet(client, 'greetings', 'hello'));
console.log(await greet(client, 'greetings', 'still open'));
await client.close();
