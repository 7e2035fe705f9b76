package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"pumphouse/internal/logs"
	"pumphouse/internal/program"
	"pumphouse/internal/setting"
	"pumphouse/internal/setting/subcommand"
	"pumphouse/server/console"
)

// serve is `pumphouse serve`: the console on the records of a PD that runs elsewhere.
func serve(ctx context.Context, args []string, std subcommand.Stdio) error {
	var cfg console.Config
	r := setting.New(cfg.Flags("pumphouse serve"), &cfg, "PUMPHOUSE", std.Out)
	env, err := r.Read(args)
	if err == nil {
		err = cfg.Check()
	}
	if err != nil {
		return &subcommand.UsageError{Err: err}
	}
	if r.CheckOnly {
		setting.ReportOK(std.Out, std.Err, "pumphouse serve", env)
		return nil
	}
	log, err := logs.Open(cfg.Config, std.Err)
	if err != nil {
		return err
	}
	defer log.Close()
	cfg.LimitMemory()
	c, err := console.Open(ctx, cfg, r.File(), log)
	if err != nil {
		return err
	}
	for _, w := range env {
		log.Warn(w)
	}
	defer program.OnHangup(log, func() error { return reload(c, args, cfg, log) })()
	fmt.Fprintln(std.Out, c.PageLine()+c.ReadyLine())
	<-ctx.Done()
	log.WithField("reason", context.Cause(ctx)).Info("console stops")
	return c.Close()
}

// reload takes from the configuration, at SIGHUP, what can change while the console runs: the log and the users.
func reload(c *console.Console, args []string, was console.Config, log *logs.Logger) error {
	var now console.Config
	_, err := setting.New(now.Flags("pumphouse serve"), &now, "PUMPHOUSE", io.Discard).Read(args)
	if err == nil {
		err = now.Check()
	}
	var usersErr error
	if err == nil {
		usersErr = c.SetUsers(now.Users)
	}
	return errors.Join(usersErr,
		program.Reloaded{Err: err, Was: setting.Shown(&was), Now: &now, Logging: now.Config, Security: now.Security, Live: []string{"users"}}.Apply(log))
}
