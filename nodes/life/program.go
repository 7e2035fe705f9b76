package life

import (
	"time"

	"github.com/sirupsen/logrus"
	clientv3 "go.etcd.io/etcd/client/v3"

	"pumphouse/internal/certfile"
	"pumphouse/internal/logs"
	"pumphouse/internal/program"
	"pumphouse/internal/setting"
	"pumphouse/nodes"
	"pumphouse/nodes/pd"
)

// dialTimeout bounds one attempt to reach PD.
const dialTimeout = 5 * time.Second

// Program is the program of a node while it runs: what it says first, its way to PD, and what SIGHUP does. All fields before Endpoints are
// required.
type Program struct {
	Name     string // pump or drainer
	Log      *logs.Logger
	PDURLs   string
	Security *certfile.Security
	Config   any           // a pointer to the configuration
	Fields   logrus.Fields // what the first line of the log says of it
	Warnings []string      // about the configuration
	Reload   func(shown map[string]any) error

	// Set by Open.
	Endpoints []string
	Registry  *nodes.Registry
	PD        *pd.Client
	Shown     map[string]any // the configuration as [setting.Shown] gives it

	etcd       *clientv3.Client
	first      *Announcement
	stopHangup func()
}

// Open says that the program starts, and with which configuration. It does not wait for PD. The program is closed if that succeeds.
func (p *Program) Open() error {
	tlsConfig, err := p.Security.Client()
	if err != nil {
		return err
	}
	if p.etcd, err = nodes.NewClient([]string{p.PDURLs}, tlsConfig, dialTimeout); err != nil {
		return err
	}
	p.Endpoints, p.Registry, p.Shown = p.etcd.Endpoints(), nodes.NewRegistry(p.etcd, dialTimeout), setting.Shown(p.Config)
	if p.PD, err = pd.New(pd.Options{Endpoints: p.Endpoints, TLS: tlsConfig, Logger: p.Log}); err != nil {
		p.etcd.Close()
		return err
	}
	p.first = Announce(p.Log, p.Name, p.Fields, p.Endpoints, p.PD.ClusterID)
	p.Log.WithField("config", setting.ShownText(p.Shown)).Debug("the configuration, without secrets")
	p.Security.ReportTo(p.Log)
	for _, w := range p.Warnings {
		p.Log.Warn(w)
	}
	p.stopHangup = program.OnHangup(p.Log, func() error { return p.Reload(p.Shown) })
	return nil
}

// Close ends what Open has begun.
func (p *Program) Close() {
	p.stopHangup()
	p.first.Stop()
	p.PD.Close()
	p.etcd.Close()
}

// Explain adds to an error of a program that PD never answered why that may be.
func (p *Program) Explain(err error) error { return p.first.Explain(err) }
