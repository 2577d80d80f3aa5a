package bfcl

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOriginal replays calls whose answers and states the original gave: 215
// random trajectories of the trading, travel and vehicle classes, chosen out of
// 6,000 so that each adds a new way of answering. They hold what the golden
// corpus lacks: configurations of wrong types, digits of other scripts, dates
// that only Python reads, huge numbers, bytes.
func TestOriginal(t *testing.T) {
	f, err := os.Open(filepath.Join("testdata", "trading_travel_vehicle.jsonl.gz"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := replay(t, f, ReplayOptions{})
	for _, class := range []string{"TradingBot", "TravelAPI", "VehicleControlAPI"} {
		if c := r.Classes[class]; c == nil || c.Equal < 600 {
			t.Errorf("%s: %+v equal calls", class, c)
		}
	}
}
