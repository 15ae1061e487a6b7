export { fromMysql2 } from './from-mysql2.ts';
