package downstream

import (
	"os"
	"strings"
	"time"
)

// localZone is this machine's time zone under a name that means something elsewhere, such as Europe/Berlin: an offset alone does
// not say what another time of the year has. Where TZ and link, /etc/localtime, name no zone it is local as it is.
func localZone(local *time.Location, link string) *time.Location {
	path := local.String() // TZ, or "Local"
	if target, err := os.Readlink(link); err == nil && path == "Local" {
		path = target
	}
	_, name, ok := strings.Cut(path, "zoneinfo/")
	if zone, err := time.LoadLocation(strings.TrimPrefix(name, "posix/")); ok && err == nil {
		return zone
	}
	return local
}
