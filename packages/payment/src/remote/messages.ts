import { create } from '@bufbuild/protobuf';
import { PaystreamError } from '@paystream/core';
import {
  type ChargeResponse,
  ChargeResponseSchema,
  DeclineClass as DeclineClassMessage,
  RefundAbility as RefundAbilityMessage,
} from '@paystream/core/contracts';
import type { ChargeAnswer, DeclineClass, GatewayAbilities } from '../gateway/port.ts';

const declineClasses: Readonly<Record<DeclineClass, DeclineClassMessage>> = {
  never: DeclineClassMessage.NEVER,
  later: DeclineClassMessage.LATER,
  'other-method': DeclineClassMessage.OTHER_METHOD,
};

const refundAbilities: Readonly<Record<GatewayAbilities['refunds'], RefundAbilityMessage>> = {
  none: RefundAbilityMessage.NONE,
  full: RefundAbilityMessage.FULL,
  partial: RefundAbilityMessage.PARTIAL,
};

function nameOf<N extends string>(names: Readonly<Record<N, number>>, value: number): N | undefined {
  for (const name in names) if (names[name] === value) return name;
  return undefined;
}

/** An answer that says nothing clear: of a newer server, or of none of ours. Its outcome is unknown. */
export function unclear(what: string): PaystreamError {
  return new PaystreamError('UNAVAILABLE', `the gateway's process answered unclearly: ${what}`, { reason: 'UNCLEAR_ANSWER' });
}

/** The message of an answer. */
export function toChargeResponse(answer: ChargeAnswer): ChargeResponse {
  if (answer.outcome === 'approved') {
    return create(ChargeResponseSchema, { outcome: { case: 'approved', value: { gatewayId: answer.gatewayId } } });
  }
  const { code, retry, gatewayId = '' } = answer;
  return create(ChargeResponseSchema, { outcome: { case: 'declined', value: { code, retry: declineClasses[retry], gatewayId } } });
}

/** The answer of a message. Throws for one that is neither approved nor declined. */
export function fromChargeResponse(response: ChargeResponse | undefined): ChargeAnswer {
  const outcome = response?.outcome;
  if (outcome?.case === 'approved') {
    if (outcome.value.gatewayId === '') throw unclear('approved, without an id');
    return { outcome: 'approved', gatewayId: outcome.value.gatewayId };
  }
  if (outcome?.case !== 'declined') throw unclear('neither approved nor declined');
  const { code, retry, gatewayId } = outcome.value;
  // What a newer server may add is no leave to try again.
  return {
    outcome: 'declined',
    code,
    retry: nameOf(declineClasses, retry) ?? 'never',
    ...(gatewayId === '' ? {} : { gatewayId }),
  };
}

/** The message of what can be given back. */
export function toRefundAbility(refunds: GatewayAbilities['refunds']): RefundAbilityMessage {
  return refundAbilities[refunds];
}

/** What can be given back; nothing, if the message says nothing known. */
export function fromRefundAbility(refunds: RefundAbilityMessage): GatewayAbilities['refunds'] {
  return nameOf(refundAbilities, refunds) ?? 'none';
}
