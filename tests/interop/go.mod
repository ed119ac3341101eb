module interop

go 1.23.0

require github.com/tink-crypto/tink-go/v2 v2.4.0

require google.golang.org/protobuf v1.36.5 // indirect
