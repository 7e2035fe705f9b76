package tikv

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/tikv/client-go/v2/util/codec"
)

// Flags in keys: of a string, and of a field of a hash.
const (
	stringData = 's'
	hashData   = 'h'
)

// Names of hashes.
const (
	historyHash   = "DDLJobHistory" // the ended jobs
	databasesHash = "DBs"
)

// hashPrefix is what the keys of all fields of a hash begin with.
func hashPrefix(name string) []byte {
	key := codec.EncodeBytes([]byte{'m'}, []byte(name))
	return binary.BigEndian.AppendUint64(key, hashData)
}

// fieldKey is the key of a field of a hash. (EncodeBytes does not look at what it appends to.)
func fieldKey(name string, field []byte) []byte {
	return append(hashPrefix(name), codec.EncodeBytes(nil, field)...)
}

func jobKey(id int64) []byte {
	return fieldKey(historyHash, binary.BigEndian.AppendUint64(nil, uint64(id)))
}

func tableKey(schemaID, tableID int64) []byte {
	return fieldKey(fmt.Sprintf("DB:%d", schemaID), fmt.Appendf(nil, "Table:%d", tableID))
}

// tableKeys is the range of the keys of all tables of a database, whose hash has other fields, too.
func tableKeys(schemaID int64) (from, end []byte) {
	name := fmt.Sprintf("DB:%d", schemaID)
	return fieldKey(name, []byte("Table:")), fieldKey(name, []byte("Table;"))
}

// stringKey is the key of a string.
func stringKey(name string) []byte {
	key := codec.EncodeBytes([]byte{'m'}, []byte(name))
	return binary.BigEndian.AppendUint64(key, stringData)
}

func diffKey(version int64) []byte { return stringKey(fmt.Sprintf("Diff:%d", version)) }

// jobOfKey is the ID in a key of the history.
func jobOfKey(key []byte) (int64, error) {
	field, ok := bytes.CutPrefix(key, hashPrefix(historyHash))
	if !ok {
		return 0, fmt.Errorf("the key %x is not of the DDL history", key)
	}
	_, id, err := codec.DecodeBytes(field, nil)
	if err == nil && len(id) != 8 {
		err = errors.New("it is not a job ID")
	}
	if err != nil {
		return 0, fmt.Errorf("the field of the key %x of the DDL history: %w", key, err)
	}
	return int64(binary.BigEndian.Uint64(id)), nil
}

// after is the smallest key after all those with a prefix that does not end in 0xFF.
func after(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++
	return end
}
