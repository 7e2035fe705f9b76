package mysql

import (
	"strings"
	"testing"

	mysqldriver "github.com/go-sql-driver/mysql"

	"pumphouse/nodes"
)

// TestErrorsNameTheProgram: errors say how to go on with the program that they end, and where its keys are: those of a drainer,
// unless [Options.Program] is another one.
func TestErrorsNameTheProgram(t *testing.T) {
	reparo := Program{Name: "reparo", Resume: "run the same command again", Keys: "in reparo.toml"}
	for _, x := range []struct {
		of         Program
		says, nots []string
	}{
		{Program{}, []string{"start the drainer again", "in [syncer]"}, []string{"reparo"}},
		{reparo, []string{"run the same command again", "in reparo.toml"}, []string{"drainer", "[syncer]"}},
	} {
		o, err := Options{Program: x.of}.withDefaults()
		if err != nil {
			t.Fatal(err)
		}
		refused := &StatementError{CommitTS: 7, Statement: "DROP TABLE t", Err: &mysqldriver.MySQLError{Number: 1142, Message: "denied"}, program: o.Program}
		for name, text := range map[string]string{
			"a statement":          refused.Error(),
			"a statement, problem": refused.Problem().Cure,
			"a divergence":         newDivergenceError(nodes.TableDivergences{Table: "a.t"}, o.Program).Error(),
			"a definition":         (&DefinitionError{CommitTS: 7, Statement: "ALTER TABLE t", program: o.Program}).Error(),
		} {
			for _, s := range x.says {
				if !strings.Contains(text, s) {
					t.Errorf("%s: the error for %+v lacks %q: %s", name, x.of, s, text)
				}
			}
			for _, s := range x.nots {
				if strings.Contains(text, s) {
					t.Errorf("%s: the error for %+v has %q: %s", name, x.of, s, text)
				}
			}
		}
	}
}
