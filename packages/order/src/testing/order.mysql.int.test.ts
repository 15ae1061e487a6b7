// The scenarios of the order service, on MySQL and MariaDB: in these projects their world has its database there.
import '../catalog/sql-catalog.test.ts';
import '../service/create-order.test.ts';
import '../service/cancel-order.test.ts';
import '../service/list-orders.test.ts';
import '../service/wait-order.test.ts';
import '../projection/apply-transactions.test.ts';
