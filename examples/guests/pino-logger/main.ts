import { createEmbeddedBroker } from '@paystream/core/embedded';
import { destination } from 'pino';
import { logToTopic } from './guest.ts';

const broker = await createEmbeddedBroker();
const { log, close } = logToTopic(broker, destination(1)); // yours: the standard output
log.info({ orderId: 'o-1' }, 'order placed');
await close();
log.info('the stream is still open');
await broker.close();
