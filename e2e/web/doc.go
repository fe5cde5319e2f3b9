// Package web looks at the daemon's pages in a browser.
package web
