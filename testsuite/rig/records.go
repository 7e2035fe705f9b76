package rig

// The records of the operations document, as old nodes write them.
const (
	Pump1Record    = `{"nodeId":"pump1","host":"127.0.0.1:8250","state":"online","isAlive":false,"score":0,"label":null,"maxCommitTS":408553768673342237,"updateTS":408553768673342237}`
	Pump2Record    = `{"nodeId":"pump2","host":"127.0.0.2:8250","state":"online","isAlive":false,"score":0,"label":{"labels":{"zone":"a"}},"maxCommitTS":408553768673342335,"updateTS":408553768673342335}`
	Pump3Record    = `{"nodeId":"pump3","host":"127.0.0.5:8250","state":"offline","isAlive":false,"score":0,"label":null,"maxCommitTS":1,"updateTS":408553768673342335}`
	Drainer1Record = `{"nodeId":"drainer1","host":"127.0.0.3:8249","state":"online","isAlive":true,"score":7,"label":null,"maxCommitTS":408553768673342532,"updateTS":408553768673342532}`
)

// NodesPrefix is above every node record.
const NodesPrefix = "/tidb-binlog/v1/"
