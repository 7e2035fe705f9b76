package file

import "errors"

// ErrLocked says that another sink writes to the directory.
var ErrLocked = errors.New("another drainer writes there")
