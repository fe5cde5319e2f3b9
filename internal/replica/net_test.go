package replica_test

import "net"

type netConn = net.Conn
