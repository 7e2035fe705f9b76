// Package clients lets MySQL clients, and statements recorded of them, talk to the console. The clients'
// sources are in the folders beside it.
package clients
