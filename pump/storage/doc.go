// Package storage keeps a pump's binlogs. (Format: to follow.)
package storage
