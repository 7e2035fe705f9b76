package port

import (
	"errors"
	"net/http"
	"net/http/pprof"

	"github.com/sirupsen/logrus"
)

// Profiles adds /debug/pprof to a node's HTTP API. Without open (-enable-debug) it answers requests of this machine only: a profile
// costs much and shows what the process does.
func Profiles(mux *http.ServeMux, log logrus.FieldLogger, admin Admin, open bool) {
	guard := func(h http.HandlerFunc) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			err := admin.allow(r)
			if err == nil && !open && !fromHere(r) {
				err = errors.New("refused from other machines. Send it from the node's own machine, or start the node with -enable-debug")
			}
			if err != nil {
				Answer(log, func(*http.Request) (any, error) { return nil, &HTTPError{http.StatusForbidden, err} })(w, r)
				return
			}
			h(w, r)
		}
	}
	mux.HandleFunc("/debug/pprof/", guard(pprof.Index))
	mux.HandleFunc("/debug/pprof/cmdline", guard(pprof.Cmdline))
	mux.HandleFunc("/debug/pprof/profile", guard(pprof.Profile))
	mux.HandleFunc("/debug/pprof/symbol", guard(pprof.Symbol))
	mux.HandleFunc("/debug/pprof/trace", guard(pprof.Trace))
}
