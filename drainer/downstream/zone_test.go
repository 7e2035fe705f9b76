package downstream

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// The name of the local zone is that of TZ, also where TZ is a file, or of what /etc/localtime links to.
func TestLocalZone(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	link := func(name, target string) string {
		path := filepath.Join(dir, name)
		if err := os.Symlink(target, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	none, here := filepath.Join(dir, "none"), link("here", "/usr/share/zoneinfo/Europe/Berlin")
	local := time.FixedZone("Local", 3600)
	for _, c := range []struct {
		name, link string
		local      *time.Location
		want       string
	}{
		{"a link", here, local, "Europe/Berlin"},
		{"a relative link", link("relative", "../usr/share/zoneinfo/posix/Europe/Berlin"), local, "Europe/Berlin"},
		{"a zone that nobody knows", link("odd", "/usr/share/zoneinfo/Europe/Atlantis"), local, "Local"},
		{"a file of another place", link("away", "/srv/zone"), local, "Local"},
		{"no link", none, local, "Local"},
		{"TZ", here, time.UTC, "UTC"},
		{"TZ with a name", here, berlin, "Europe/Berlin"},
		{"TZ with a file", none, time.FixedZone("/usr/share/zoneinfo/Asia/Shanghai", 8*3600), "Asia/Shanghai"},
	} {
		if got := localZone(c.local, c.link).String(); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}
