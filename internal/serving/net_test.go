package serving

import "net"

type netConn = net.Conn
