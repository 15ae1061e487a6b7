/** Merchants' wallets over a double-entry ledger. */
export { walletMigrations } from './migrations.ts';
export { walletRpcService } from './rpc.ts';
export { defaultWalletFees, saleFee, type WalletFees } from './transfer.ts';
export type { LedgerSums } from './trial-balance.ts';
export { createWallet, type Wallet, type WalletOptions } from './wallet.ts';
