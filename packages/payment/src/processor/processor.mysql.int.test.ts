// The same scenarios on MySQL and MariaDB: in these projects their world has its database there.
import './processor.test.ts';
