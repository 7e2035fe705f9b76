package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"pumphouse/internal/secret"
)

// encrypt prints -text in the form drainers take as an encrypted password.
func encrypt(_ context.Context, o options, stdout, stderr io.Writer) error {
	if o.text == "" {
		return errors.New("-cmd encrypt needs -text")
	}
	key := os.Getenv(secret.KeyVar)
	if key == "" {
		fmt.Fprintln(stderr, "binlogctl: encrypting with the key that everybody has; set BINLOG_SECRET_KEY (hexadecimal, 16, 24 or 32 bytes) here and for the drainer to use your own")
	}
	out, err := secret.Encrypt(key, o.text)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(stdout, out)
	return err
}
