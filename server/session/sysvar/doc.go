// Package sysvar holds the system variables of a session: which there are (sysvars.txt), what may be
// assigned to them, what they read as, and what statements obey of them. Variables that nothing obeys are
// kept and shown again, because clients set them and check.
package sysvar
