import { defineRpcService, PaystreamError, type RpcService } from '@paystream/core';
import { toMoneyMessage, WalletService } from '@paystream/core/contracts';
import type { Wallet } from './wallet.ts';

/**
 * The wallet as `paystream.wallet.v1.WalletService`, for a server to take. Throws `PERMISSION_DENIED` / `MERCHANT_FORBIDDEN`
 * for a merchant that the caller may not act for, and `OPERATORS_ONLY` for a trial balance unless they may act for all.
 */
export function walletRpcService(wallet: Pick<Wallet, 'getWallet' | 'trialBalance'>): RpcService {
  return defineRpcService(WalletService, {
    getWallet: async ({ merchantId }, { principal }) => {
      if (principal.merchants !== 'all' && !principal.merchants.has(merchantId)) {
        throw new PaystreamError('PERMISSION_DENIED', `"${principal.id}" may not act for merchant "${merchantId}".`, {
          reason: 'MERCHANT_FORBIDDEN',
          details: { merchantId },
        });
      }
      return { wallets: [...(await wallet.getWallet(merchantId))] };
    },
    getTrialBalance: async (_request, { principal }) => {
      if (principal.merchants !== 'all') {
        throw new PaystreamError('PERMISSION_DENIED', `"${principal.id}" may not see the ledger of all merchants`, {
          reason: 'OPERATORS_ONLY',
        });
      }
      const { sums, transfers, unbalanced, unchecked } = await wallet.trialBalance();
      return {
        sums: sums.map(toMoneyMessage),
        transfers: BigInt(transfers),
        unbalancedAccounts: [...unbalanced],
        uncheckedAccounts: [...unchecked],
      };
    },
  });
}
