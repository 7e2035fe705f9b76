package kafkaclient

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/sasl"
)

// LoginRefused reports whether the reason of an error is that brokers did not take the login, or that what it needs could
// not be read. What is in files may be another the next time.
func LoginRefused(err error) bool { return errors.Is(err, kerr.SaslAuthenticationFailed) }

// login is a mechanism whose failures are all [LoginRefused], whoever notices them: the broker with an error of its own, as for
// PLAIN; the mechanism in what the broker answers, as for an expired token; or we, in a file.
type login struct{ sasl.Mechanism }

// Authenticate implements sasl.Mechanism.
func (m login) Authenticate(ctx context.Context, host string) (sasl.Session, []byte, error) {
	s, first, err := m.Mechanism.Authenticate(ctx, host)
	if err != nil {
		return nil, nil, refused(err)
	}
	return attempt{s}, first, nil
}

type attempt struct{ sasl.Session }

// Challenge implements sasl.Session.
func (s attempt) Challenge(answer []byte) (bool, []byte, error) {
	done, next, err := s.Session.Challenge(answer)
	if err != nil {
		err = refused(fmt.Errorf("%w: %.200q", err, answer))
	}
	return done, next, err
}

func refused(err error) error { return fmt.Errorf("%w: %w", kerr.SaslAuthenticationFailed, err) }
