import { errorFromRpc } from '@paystream/core/rpc';

/** What to tell a person whose call to a stack failed: what is wrong, and what to do about it. */
export function connectionAdvice(thrown: unknown, target: string): string {
  const { code, reason, message } = errorFromRpc(thrown);
  if (reason === 'INVALID_OPTIONS') return message;
  if (code === 'UNAUTHENTICATED') return `The stack at ${target} wants to know who calls: give a key with --api-key.`;
  if (code === 'PERMISSION_DENIED') return `This key may not read the books: give one that is good for all merchants (KEY=*). ${message}`;
  if (code === 'UNAVAILABLE') {
    return `No stack answers at ${target}: ${message}\nStart one with "npm start", or say where it listens for gRPC with --target HOST:PORT.`;
  }
  if (code === 'UNSUPPORTED') {
    return `${target} has not all services: ${message}\nName those that run in processes of their own with --at payment=HOST:PORT,wallet=HOST:PORT,notify=HOST:PORT,logger=HOST:PORT, as "npm run services" prints it.`;
  }
  if (reason.startsWith('RPC_') || reason === 'UNEXPECTED') {
    return `What listens at ${target} does not answer as a stack does over gRPC: ${message}\nIs it another port of the stack? --target wants the gRPC one.`;
  }
  return `${code} ${reason}: ${message}`;
}
