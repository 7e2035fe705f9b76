// Package mysql is the sink that applies transactions to a MySQL, MariaDB or TiDB.
package mysql
