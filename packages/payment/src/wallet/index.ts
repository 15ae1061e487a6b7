/** Merchants' wallets over a double-entry ledger. */
export type { LedgerSums } from './ledger.ts';
export { walletMigrations } from './migrations.ts';
export { walletRpcService } from './rpc.ts';
export { defaultWalletFees, saleFee, type WalletFees } from './transfer.ts';
export { createWallet, type Wallet, type WalletOptions } from './wallet.ts';
