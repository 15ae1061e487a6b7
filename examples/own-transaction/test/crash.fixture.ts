// A process that dies between its commit and the publishing of what it committed.
import { createEmbeddedBroker } from '@paystream/core/embedded';
import type { SignUpOptions, SignUpService } from '../sign-ups.ts';

const [example = '', url = '', userId = ''] = process.argv.slice(2);
const { createSignUpService } = (await import(`../${example}/service.ts`)) as {
  createSignUpService(options: SignUpOptions): Promise<SignUpService>;
};
// Nothing that this process publishes could be seen by another.
const broker = await createEmbeddedBroker();
const service = await createSignUpService({ url, broker, leaseMs: 1_000, tell: false });
await service.signUp({ userId, email: `${userId}@example.org` });
process.kill(process.pid, 'SIGKILL');
