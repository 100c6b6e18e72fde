package hub

import (
	"testing"

	"sitebridge/test/lab"
)

func TestMain(m *testing.M) { lab.Main(m) }
