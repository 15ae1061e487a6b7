import { create } from '@bufbuild/protobuf';
import { type Money as MoneyMessage, MoneySchema } from '../gen/paystream/type/v1/money_pb.ts';
import { type Money, money } from '../money/money.ts';

/** The protobuf message of an amount. */
export function toMoneyMessage(amount: Money): MoneyMessage {
  return create(MoneySchema, { currency: amount.currency, units: amount.units });
}

/** The amount of a protobuf message. Throws `INVALID_ARGUMENT` for an unset one or an unknown currency. */
export function fromMoneyMessage(message: MoneyMessage | undefined): Money {
  return money(message?.currency ?? '', message?.units ?? 0n);
}
