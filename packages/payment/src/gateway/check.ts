import { PaystreamError } from '@paystream/core';
import type { Gateway } from './port.ts';

/** Throws `UNSUPPORTED` for a gateway that declares an ability that it has no method for: found at the start, not at the first crash. */
export function checkGateway(gateway: Gateway): void {
  const { abilities } = gateway;
  const lacking = [
    abilities.lookup && gateway.lookup === undefined ? 'lookup' : '',
    abilities.refunds !== 'none' && gateway.refund === undefined ? 'refund' : '',
    abilities.listCharges && gateway.listCharges === undefined ? 'listCharges' : '',
  ].filter((name) => name !== '');
  if (lacking.length === 0) return;
  throw new PaystreamError(
    'UNSUPPORTED',
    `gateway "${gateway.name}" declares abilities that it has no method for: ${lacking.join(', ')}. Write them, or declare less`,
    { reason: 'GATEWAY_ABILITY_MISSING', details: { gateway: gateway.name, lacking: lacking.join(',') } },
  );
}
