/**
 * What stands behind each `CREATE TABLE (...)` for MySQL. Texts are compared as in SQLite: byte by byte, blanks at the end
 * too. That collation has another name in MySQL than in MariaDB; each reads one of the two comments.
 */
export const mysqlTableOptions =
  'ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET = utf8mb4 /*!80017 COLLATE = utf8mb4_0900_bin */ /*M! COLLATE = utf8mb4_nopad_bin */';
