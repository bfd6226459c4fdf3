; Reads n and n words, and writes them in ascending order (insertion sort in memory).
    read  r1                ; n
    loadi r10, 1
    loadi r2, 0             ; words read so far
next:
    eq    r3, r2, r1
    jnz   r3, print
    read  r4                ; the word to insert
    mov   r5, r2            ; the free place
shift:
    jz    r5, place
    load  r6, [r5-1]
    lt    r7, r4, r6
    jz    r7, place
    store r6, [r5]          ; a larger word moves up
    sub   r5, r5, r10
    jmp   shift
place:
    store r4, [r5]
    add   r2, r2, r10
    jmp   next
print:
    loadi r2, 0
each:
    eq    r3, r2, r1
    jnz   r3, done
    load  r4, [r2]
    write r4
    add   r2, r2, r10
    jmp   each
done:
    halt
