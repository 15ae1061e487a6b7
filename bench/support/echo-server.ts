// The least that a grpc-js server can do for a unary call: it reads no request and answers the bytes that it was given.

import { type handleUnaryCall, Server, ServerCredentials } from '@grpc/grpc-js';
import { OrderService } from '@paystream/core/contracts';

const answer = Buffer.from(process.argv[2] ?? '', 'base64');
const asItIs = (bytes: Buffer): Buffer => bytes;
const echo: handleUnaryCall<Buffer, Buffer> = (_call, callback) => callback(null, answer);
const server = new Server();
server.addService(
  {
    createOrder: {
      path: `/${OrderService.typeName}/${OrderService.method.createOrder.name}`,
      requestStream: false,
      responseStream: false,
      requestSerialize: asItIs,
      requestDeserialize: asItIs,
      responseSerialize: asItIs,
      responseDeserialize: asItIs,
    },
  },
  { createOrder: echo },
);
server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
  if (error !== null) throw error;
  process.send?.(`127.0.0.1:${port}`);
});
process.once('disconnect', () => server.forceShutdown());
