// The same scenarios on MySQL and MariaDB: in these projects their world has its database there.
import './reconcile.test.ts';
import './large-books.test.ts';
