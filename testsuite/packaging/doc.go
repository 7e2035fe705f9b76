// Package packaging checks what is packaged: make install, units, man pages, completions, samples, alerts.
package packaging
