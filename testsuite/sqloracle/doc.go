// Package sqloracle compares package sqlext with the last grammar of TiDB that had the
// management statements, on random texts under every sql_mode that matters to it. It is a module of its
// own because the old grammar must not enter the product.
//
//	go test .                            a short run
//	go test . -texts 1000000             the long run
//	PUMPHOUSE_SEED=7 go test . -texts 50000 -v    those of a seed, with a summary
//
// What the two do not do alike stands in [Differences], each with its reason.
package sqloracle
