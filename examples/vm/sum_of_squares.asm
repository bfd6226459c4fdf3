; Reads n and writes 1^2 + 2^2 + ... + n^2 mod p.
    read  r1
    loadi r2, 0             ; the sum
    loadi r5, 1
loop:
    jz    r1, done
    mul   r3, r1, r1
    add   r2, r2, r3
    sub   r1, r1, r5
    jmp   loop
done:
    write r2
    halt
