; Reads a number and writes how many steps n -> n/2 or 3n + 1 lead to 1, and the largest number on the way.
; Sound as integers while 3n + 1 stays below p, which the program checks.
    read  r1
    loadi r2, 0             ; steps
    mov   r3, r1            ; largest
    loadi r10, 1
    loadi r11, 2
    loadi r12, 3
    loadi r13, 715827882    ; (p - 1) / 3
loop:
    eq    r4, r1, r10
    jnz   r4, done
    add   r2, r2, r10
    and   r4, r1, r10
    jnz   r4, odd
    div   r1, r1, r11
    jmp   loop
odd:
    lt    r5, r1, r13
    jz    r5, too_large
    mul   r1, r1, r12
    add   r1, r1, r10
    max   r3, r3, r1
    jmp   loop
too_large:
    div   r0, r1, r0        ; trap
done:
    write r2
    write r3
    halt
