import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { externalTool } from '../../../tools/external-clients.ts';
import { createStackProcess, type StackProcess } from './stack-process.ts';

// Programs that no one here wrote, pointed at the running stack.
const run = promisify(execFile);
let stack: StackProcess;

beforeAll(async () => {
  stack = await createStackProcess({ PAYSTREAM_GATEWAY_LATENCY_MS: '5' });
  await stack.start();
});
afterAll(() => stack?.[Symbol.asyncDispose]());

const order = {
  merchantId: 'merchant-2',
  customer: { customerId: 'c-1', name: 'Grace Example', email: 'grace@example.org' },
  paymentMethod: { reference: 'pm_card_visa' },
  items: [{ productId: 'paperback', quantity: 3 }],
};

async function grpcurl(...args: readonly string[]): Promise<string> {
  const { stdout } = await run(await externalTool('grpcurl'), ['-plaintext', ...args]);
  return stdout;
}

/** Runs a line of the banner, as a person who pastes it. */
async function paste(program: 'curl' | 'grpcurl'): Promise<string> {
  const line = stack.output.split('\n').find((text) => text.trimStart().startsWith(`${program} `));
  const tool = await externalTool(program);
  const { stdout } = await run('sh', ['-c', (line ?? '').trim().replace(program, `"${tool}"`)]);
  return stdout;
}

it('the curl line of the banner pays an order when pasted, and pays it once when pasted twice', async () => {
  const first = JSON.parse(await paste('curl'));
  expect(first.order).toMatchObject({ state: 'ORDER_STATE_PAID', total: { currency: 'EUR', units: '4380' } });
  expect(JSON.parse(await paste('curl')).order.orderId).toBe(first.order.orderId);
});

it('the grpcurl line of the banner pays an order when pasted', async () => {
  expect(JSON.parse(await paste('grpcurl')).order.state).toBe('ORDER_STATE_PAID');
});

it('grpcurl finds the services by reflection and asks for the health', async () => {
  const services = await grpcurl(stack.grpc, 'list');
  for (const name of ['order.v1.OrderService', 'payment.v1.PaymentService', 'wallet.v1.WalletService', 'log.v1.LogService']) {
    expect(services).toContain(`paystream.${name}`);
  }
  expect(await grpcurl(stack.grpc, 'describe', 'paystream.order.v1.CreateOrderRequest')).toContain('request_id');
  expect(await grpcurl(stack.grpc, 'grpc.health.v1.Health/Check')).toContain('SERVING');
});

it('grpcurl follows an order to its end, and the stream ends there', async () => {
  const placed = JSON.parse(
    await grpcurl('-d', JSON.stringify({ ...order, requestId: 'watched' }), stack.grpc, 'paystream.order.v1.OrderService/CreateOrder'),
  );
  const watch = JSON.stringify({ orderId: placed.order.orderId, merchantId: 'merchant-2' });
  const seen = await grpcurl('-d', watch, stack.grpc, 'paystream.order.v1.OrderService/WatchOrder');
  expect(seen).toContain('ORDER_STATE_PAID');
});

it('grpcurl is told what is wrong with a request, field by field', async () => {
  const wrong = JSON.stringify({ ...order, requestId: 'wrong', items: [{ productId: 'paperback', quantity: 0 }] });
  const refused = await grpcurl('-d', wrong, stack.grpc, 'paystream.order.v1.OrderService/CreateOrder').catch((error) =>
    String(error.stderr),
  );
  expect(refused).toContain('InvalidArgument');
  expect(refused).toContain('items[0].quantity');
  expect(refused).toContain('google.rpc.ErrorInfo');
});

it('ghz places two thousand orders, none of which fails', async () => {
  const data = JSON.stringify({ ...order, requestId: 'ghz-{{.UUID}}' });
  const { stdout } = await run(
    await externalTool('ghz'),
    ['--insecure', '--call', 'paystream.order.v1.OrderService/CreateOrder', '-d', data, '-n', '2000', '-c', '50', '-O', 'json', stack.grpc],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const { count, statusCodeDistribution } = JSON.parse(stdout);
  expect(count).toBe(2000);
  expect(statusCodeDistribution).toEqual({ OK: 2000 });
});

it('curl speaks JSON to the Connect endpoint, and reads health and metrics', async () => {
  const curl = await externalTool('curl');
  const url = `${stack.http}/paystream.wallet.v1.WalletService/GetWallet`;
  const { stdout } = await run(curl, ['-sf', url, '-H', 'content-type: application/json', '-d', '{"merchantId":"merchant-2"}']);
  expect(JSON.parse(stdout).wallets[0]).toMatchObject({ merchantId: 'merchant-2', balance: { currency: 'USD' } });
  expect(JSON.parse((await run(curl, ['-sf', `${stack.http}/readyz`])).stdout)).toMatchObject({ ready: true });
  expect((await run(curl, ['-sf', `${stack.http}/metrics`])).stdout).toContain('paystream_rpc_seconds_bucket');
});
