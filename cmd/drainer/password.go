package main

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"os"
)

// defaultKey is the key that every installation of the field shares unless
// BINLOG_SECRET_KEY names another.
const defaultKey = "a529b7665997f043a30ac8fadcb51d6aa032c226ab5b7750530b12b8c1a16a48"

// password gives the plain password, or the one that binlogctl -cmd encrypt made the
// encrypted one of, which wins. Errors have nothing of either.
func password(plain, encrypted string) (string, error) {
	if encrypted == "" {
		return plain, nil
	}
	hexKey := os.Getenv("BINLOG_SECRET_KEY")
	if hexKey == "" {
		hexKey = defaultKey
	}
	key, err := hex.DecodeString(hexKey)
	if err != nil {
		return "", errors.New("encrypted_password: BINLOG_SECRET_KEY is not hexadecimal")
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return "", errors.New("encrypted_password: BINLOG_SECRET_KEY must be 16, 24 or 32 bytes")
	}
	b, err := base64.StdEncoding.DecodeString(encrypted)
	if err != nil || len(b) < aes.BlockSize+1 || b[aes.BlockSize] != '@' {
		return "", errors.New("encrypted_password: this is not what binlogctl -cmd encrypt prints")
	}
	text := make([]byte, len(b)-aes.BlockSize-1)
	//lint:ignore SA1019 the mode is the field's, see binlogctl
	cipher.NewCFBDecrypter(block, b[:aes.BlockSize]).XORKeyStream(text, b[aes.BlockSize+1:])
	return string(text), nil
}
