package schema

import "fmt"

// Action is what a DDL job does; the numbers are TiDB's (pkg/parser/model/ddl.go, 2.1 to 8.3).
type Action uint8

// Actions that need more than "the job's table information is the definition now".
const (
	ActionCreateSchema        Action = 1
	ActionDropSchema          Action = 2
	ActionCreateTable         Action = 3
	ActionDropTable           Action = 4
	ActionAddColumn           Action = 5
	ActionDropColumn          Action = 6
	ActionAddIndex            Action = 7
	ActionDropIndex           Action = 8
	ActionTruncateTable       Action = 11
	ActionModifyColumn        Action = 12
	ActionRenameTable         Action = 14
	ActionCreateView          Action = 21
	ActionDropView            Action = 24
	ActionRecoverTable        Action = 25
	ActionModifySchemaCharset Action = 26
	ActionDropPrimaryKey      Action = 33
	ActionCreateSequence      Action = 34
	ActionAlterSequence       Action = 35
	ActionDropSequence        Action = 36
	ActionExchangePartition   Action = 42
	ActionRenameTables        Action = 47
	ActionCreateTables        Action = 60
	ActionMultiSchemaChange   Action = 61
	ActionFlashbackCluster    Action = 62
	ActionRecoverSchema       Action = 63
)

// actionNames are TiDB's names, as ADMIN SHOW DDL JOBS prints them.
var actionNames = [...]string{
	1: "create schema", 2: "drop schema", 3: "create table", 4: "drop table", 5: "add column",
	6: "drop column", 7: "add index", 8: "drop index", 9: "add foreign key", 10: "drop foreign key",
	11: "truncate table", 12: "modify column", 13: "rebase auto_increment ID", 14: "rename table",
	15: "set default value", 16: "shard row ID", 17: "modify table comment", 18: "rename index",
	19: "add partition", 20: "drop partition", 21: "create view",
	22: "modify table charset and collate", 23: "truncate partition", 24: "drop view",
	25: "recover table", 26: "modify schema charset and collate", 27: "lock table",
	28: "unlock table", 29: "repair table", 30: "set tiflash replica",
	31: "update tiflash replica status", 32: "add primary key", 33: "drop primary key",
	34: "create sequence", 35: "alter sequence", 36: "drop sequence",
	37: "add multi-columns", 38: "drop multi-columns", 39: "modify auto id cache",
	40: "rebase auto_random ID", 41: "alter index visibility", 42: "exchange partition",
	43: "add check constraint", 44: "drop check constraint", 45: "alter check constraint",
	46: "alter table alter partition", 47: "rename tables", 48: "drop multi-indexes",
	49: "alter table attributes", 50: "alter table partition attributes",
	51: "create placement policy", 52: "alter placement policy", 53: "drop placement policy",
	54: "alter table partition placement", 55: "modify schema default placement",
	56: "alter table placement", 57: "alter table cache", 58: "alter table statistics options",
	59: "alter table nocache", 60: "create tables", 61: "alter table multi-schema change",
	62: "flashback cluster", 63: "flashback schema", 64: "alter table reorganize partition",
	65: "alter table ttl", 67: "alter table no_ttl", 68: "create resource group",
	69: "alter resource group", 70: "drop resource group",
	71: "alter table partition by", 72: "alter table remove partitioning",
}

// String is TiDB's name of the action, or its number.
func (a Action) String() string {
	if int(a) < len(actionNames) && actionNames[a] != "" {
		return actionNames[a]
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// OnlyTiDB reports whether the action's statement means nothing to a MySQL, or is no statement of
// a MySQL: placement, TiFlash, attributes, row IDs, TTL, resource groups, sequences.
func (a Action) OnlyTiDB() bool {
	switch a {
	case 16, 27, 28, 30, 31, 34, 35, 36, 39, 40, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 65, 67, 68, 69, 70:
		return true
	}
	return false
}
