export { fromKysely, type KyselyTransaction } from './from-kysely.ts';
