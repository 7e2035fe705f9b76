// Package problems makes every problem that nodes report happen, and sees it in /status, metrics, the
// console and docs/problems.md.
package problems
