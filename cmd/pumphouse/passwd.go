package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"pumphouse/internal/setting/subcommand"
	"pumphouse/server"
)

// passwd is `pumphouse passwd`: it reads a password and prints the hash that goes into
// [[users]]. The password is never an argument, where other users of the machine see it.
func passwd(_ context.Context, args []string, std subcommand.Stdio) error {
	fs := flag.NewFlagSet("passwd", flag.ContinueOnError)
	plugin := fs.String("plugin", "caching_sha2_password", "how clients prove the password: caching_sha2_password, or mysql_native_password for old clients")
	if err := subcommand.Parse("pumphouse", fs, args, std); err != nil {
		return err
	}
	password, err := readPassword(std)
	if err != nil {
		return err
	}
	hash, err := server.HashPassword(*plugin, password)
	if err != nil {
		return &subcommand.UsageError{Err: err}
	}
	_, err = fmt.Fprintln(std.Out, hash)
	return err
}

// readPassword reads one line; at a terminal it asks twice and shows nothing.
func readPassword(std subcommand.Stdio) (string, error) {
	if f, ok := std.In.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return askPassword(int(f.Fd()), std.Err)
	}
	line, err := bufio.NewReader(std.In).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return notEmpty(strings.TrimRight(line, "\r\n"))
}

func askPassword(fd int, prompt io.Writer) (string, error) {
	var typed [2][]byte
	for i, text := range []string{"Password: ", "Once more: "} {
		fmt.Fprint(prompt, text)
		b, err := term.ReadPassword(fd)
		fmt.Fprintln(prompt)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		typed[i] = b
	}
	if !bytes.Equal(typed[0], typed[1]) {
		return "", errors.New("the two passwords differ")
	}
	return notEmpty(string(typed[0]))
}

func notEmpty(password string) (string, error) {
	if password == "" {
		return "", errors.New("no password was given: type one, or pipe it in")
	}
	return password, nil
}
