package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"
)

// peers prints what peers that have no business with a pump take from its writers.
func (b *pumpBench) peers(ctx context.Context) error {
	const writers, size = 128, 256
	fmt.Printf("### Pump: writers beside hostile peers, %d writers × %s\n\n"+
		"%d connections of a process of its own, which does not know the cluster, attack at the rate that is named and come back\n"+
		"when they are cut off. They use the same cores as the pump, so the throughput while they attack the pump stands beside that\n"+
		"while they attack a server that reads everything and does nothing: of it is what the pump itself loses. CPU is the pump's,\n"+
		"microseconds a transaction, in both; that of a frame is the difference for each frame that was sent.\n\n", writers, sizeName(size), hostileConns)
	fmt.Println("| attack | frames/s wanted | frames/s sent | cut off/s | txn/s beside the other server | txn/s | of it | CPU txn beside | CPU txn | CPU frame |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	pump, err := b.startPump("peers", anyPort, true)
	if err != nil {
		return err
	}
	defer pump.stop()
	other, err := start("ready:", b.self, "sink")
	if err != nil {
		return err
	}
	defer other.stop()
	file := filepath.Join(b.dir, "attack")
	for _, h := range hostiles {
		if !b.cells.MatchString(h.name) {
			continue
		}
		var got [2]loaded
		var frames, cuts int
		var took time.Duration
		for i, target := range []*process{other, pump} {
			attack, err := start("ready:", b.self, "peers", h.name, lastField(target.line), file)
			if err != nil {
				return err
			}
			began := time.Now()
			got[i], err = b.load(ctx, pump, writers, size)
			took = time.Since(began)
			if stopped := attack.stop(); err == nil {
				err = stopped
			}
			if err != nil {
				return err
			}
			if frames, cuts, err = result(file); err != nil {
				return err
			}
		}
		perSecond := float64(frames) / took.Seconds()
		fmt.Printf("| %s | %d | %.0f | %.0f | %.0f | %.0f | %.2f | %.1f | %.1f | %.2f |\n", h.name, h.rate*h.frames, perSecond, float64(cuts)/took.Seconds(),
			got[0].perSecond, got[1].perSecond, got[1].perSecond/got[0].perSecond, got[0].serverCPU, got[1].serverCPU,
			(got[1].serverCPU-got[0].serverCPU)*got[1].perSecond/perSecond)
	}
	fmt.Println()
	return nil
}
