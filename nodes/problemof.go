package nodes

import (
	"errors"
	"syscall"
)

// Problematic is an error that knows which problem it is. Where its Text is empty, the whole error's
// text is the problem's.
type Problematic interface {
	error
	Problem() Problem
}

// ProblemOf gives the problem that an error is: what the outermost [Problematic] in it says, a full
// disk as such, and everything else as [ProblemOther].
func ProblemOf(err error) Problem {
	p := Problem{Code: ProblemOther}
	var known Problematic
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		p = Problem{Code: ProblemDiskFull, Cure: "free space on that file system"}
	case errors.As(err, &known):
		p = known.Problem()
	}
	if p.Text == "" {
		p.Text = err.Error()
	}
	return p
}

// WithProblem gives err the code and cure of a problem, unless it is nil or knows which it is itself.
// Its text stays.
func WithProblem(err error, code ProblemCode, cure string) error {
	var known Problematic
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &problemError{err, Problem{Code: code, Cure: cure}}
}

// problemError is an error that was given the problem that it is.
type problemError struct {
	error
	problem Problem
}

func (e *problemError) Problem() Problem { return e.problem }

// Unwrap gives the error that it was.
func (e *problemError) Unwrap() error { return e.error }

// Problem implements [Problematic].
func (e *PDError) Problem() Problem { return Problem{Code: ProblemPDAway} }

// Problem implements [Problematic].
func (e *HeldError) Problem() Problem { return Problem{Code: ProblemTakeover} }
