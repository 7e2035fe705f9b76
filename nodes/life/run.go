package life

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"github.com/sirupsen/logrus"
)

// Opened is a pump or a drainer as its program runs it.
type Opened interface {
	// Open returns when the node is up, or with what kept it from that.
	Open(context.Context) error
	// Pause begins the end of the node, or hurries it.
	Pause()
	// Wait gives why the node has ended: nil after what was asked for.
	Wait() error
}

// Run runs a node until it has ended by itself, by an order or by a signal: the first one ends
// the start or pauses the node, the second hurries it. When the node is up, ready is called;
// what that returns is called in the end.
func Run(n Opened, log logrus.FieldLogger, ready func() (end func())) error {
	starting, stopStarting := context.WithCancelCause(context.Background())
	defer stopStarting(nil)
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGQUIT)
	defer close(signals)
	defer signal.Stop(signals)
	go func() {
		for sig := range signals {
			log.WithField("signal", sig.String()).Info("pausing")
			stopStarting(&signalError{sig})
			go n.Pause()
		}
	}()
	if err := n.Open(starting); err != nil {
		if errors.Is(err, ErrStopped) {
			return nil // told to stop while it started, and it did
		}
		return err
	}
	defer ready()()
	return n.Wait()
}

// signalError says that a signal ended the start.
type signalError struct{ sig os.Signal }

func (e *signalError) Error() string { return "received " + e.sig.String() }

// ErrStopped says that an order or a signal ended a start, and that the record is as it should be.
var ErrStopped = errors.New("the start was stopped")
