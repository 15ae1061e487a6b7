import { create } from '@bufbuild/protobuf';
import { formatMoney } from '@paystream/core';
import {
  type BusinessFact,
  timestampFromMs,
  toMoneyMessage,
  type Wallet as WalletMessage,
  WalletSchema,
  type WalletUpdate,
  WalletUpdateKind,
  WalletUpdateSchema,
} from '@paystream/core/contracts';
import type { Balance, Posted } from './ledger.ts';

/** A merchant's accounts as others see them. */
export function toWalletMessage(balance: Balance): WalletMessage {
  const { currency, payable, fees, clearing } = balance;
  const money = (units: bigint) => toMoneyMessage({ currency, units });
  return create(WalletSchema, {
    merchantId: balance.merchantId,
    balance: money(payable),
    revenue: money(-clearing),
    profit: money(-clearing - fees),
    sales: BigInt(balance.sales),
    version: BigInt(balance.version),
  });
}

/** The news of a transfer. */
export function toWalletUpdate({ transfer, balance }: Posted, nowMs: number): WalletUpdate {
  return create(WalletUpdateSchema, {
    operationId: transfer.operationId,
    merchantId: transfer.merchantId,
    orderId: transfer.orderId,
    kind: transfer.kind === 'SALE' ? WalletUpdateKind.SALE : WalletUpdateKind.REFUND,
    amount: toMoneyMessage(transfer.amount),
    fee: toMoneyMessage({ currency: transfer.amount.currency, units: transfer.fees }),
    wallet: toWalletMessage(balance),
    bookTime: timestampFromMs(nowMs),
  });
}

/** A transfer as the business log tells of it. */
export function transferFact({ transfer }: Posted): BusinessFact {
  const { kind, amount, fees, orderId, merchantId, operationId } = transfer;
  const fee = formatMoney({ currency: amount.currency, units: fees });
  return {
    event: kind === 'SALE' ? 'wallet.sale.booked' : 'wallet.refund.booked',
    message: kind === 'SALE' ? `booked a sale of ${formatMoney(amount)}, fee ${fee}` : `booked a refund of ${formatMoney(amount)}`,
    orderId,
    merchantId,
    attributes: { operationId },
  };
}
