; Reads n and writes the n-th Fibonacci number mod p.
    read  r1
    loadi r2, 0
    loadi r3, 1
    loadi r5, 1
loop:
    jz    r1, done
    add   r4, r2, r3
    mov   r2, r3
    mov   r3, r4
    sub   r1, r1, r5
    jmp   loop
done:
    write r2
    halt
