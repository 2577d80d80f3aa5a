module ballast

go 1.26
